"""The service's OpenAPI document, as something that answers can be held against."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from house import Reply, Service
from jsonschema import Draft202012Validator, FormatChecker


@dataclass(frozen=True)
class Description:
    """The document of a running service."""

    document: dict[str, Any]

    @classmethod
    async def of(cls, service: Service) -> "Description":
        """Read it where everybody does."""
        reply = await service.get("/openapi.json", token=None)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        return cls(reply.json)

    def look_up(self, value: Any) -> Any:
        """Follow a reference, if it is one."""
        while isinstance(value, dict) and "$ref" in value:
            found: Any = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        """Tell what is wrong with a value, by a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        validator = Draft202012Validator(whole, format_checker=FormatChecker())
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def assert_told(self, path: str, reply: Reply, *, method: str = "get") -> None:
        """Check that an answer is described: its status, media type, header fields and body."""
        described = self.document["paths"][path][method]["responses"]
        assert str(reply.status) in described, (path, method, reply.status)
        response = self.look_up(described[str(reply.status)])
        for name, reference in response["headers"].items():
            header = self.look_up(reference)
            assert name in reply.headers or not header["required"], (name, reply.headers)
        untold = {name.lower() for name in reply.headers} - {
            name.lower() for name in response["headers"]
        }
        assert untold <= {"content-type", "content-length", "date", "server", "connection"}, untold
        self._assert_content(response.get("content", {}), reply)

    def _assert_content(self, content: dict[str, Any], reply: Reply) -> None:
        if not reply.body:
            return
        media = content[reply.headers["Content-Type"].partition(";")[0]]
        if "json" in reply.headers["Content-Type"]:
            assert self.faults(media["schema"], reply.json) == []

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield every operation with its path and its method."""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield path, method, operation
