"""HTTP: routes, middlewares, handlers, problems. aiohttp and no business rule."""
