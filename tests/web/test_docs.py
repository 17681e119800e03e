"""`/docs`: its parts, served from here."""

import gzip

import pytest
from house import House

PARTS = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui.js": "text/javascript; charset=utf-8",
}


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_of_the_page(house: House, name: str) -> None:
    """Each has its type, is public, and goes out compressed, or as it is."""
    service = await house.start()

    plain = await service.get(f"/docs/{name}", token=None)
    packed = await service.get(f"/docs/{name}", token=None, headers={"Accept-Encoding": "gzip"})

    assert plain.status == packed.status == 200
    assert plain.headers["Content-Type"] == packed.headers["Content-Type"] == PARTS[name]
    assert plain.headers["Cache-Control"] == "public, max-age=300"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize(
    "name", ["nothing.js", "docs.html", "swagger-ui.js.map", "..%2Fdocs.py", "%2e%2e%2f__init__.py"]
)
async def test_other_files_are_not_served(house: House, name: str) -> None:
    """Only what the page loads is there."""
    service = await house.start()

    assert (await service.get(f"/docs/{name}", token=None)).code == "not-found"


async def test_a_part_is_revalidated(house: House) -> None:
    """The large script is loaded once."""
    service = await house.start()
    tag = (await service.get("/docs/swagger-ui.js", token=None)).headers["ETag"]

    again = await service.get("/docs/swagger-ui.js", token=None, headers={"If-None-Match": tag})

    assert (again.status, again.body) == (304, b"")


async def test_the_pictures_are_ours(house: House) -> None:
    """Each picture that the style sheet names is served."""
    service = await house.start()
    style = (await service.get("/docs/docs.css", token=None)).body.decode()
    pictures = {part.split('"')[1] for part in style.split("url(")[1:]}

    assert len(pictures) == 4
    for picture in pictures:
        reply = await service.get(picture, token=None)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/svg+xml")
