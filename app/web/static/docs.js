// Shows /openapi.json by Swagger UI. Nothing is stored: a token lives in this page's memory alone.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  supportedSubmitMethods: ["get", "head"],
  tryItOutEnabled: true,
  validatorUrl: null,
});
