"""Reading what the service exposes to Prometheus."""

from house import Service
from prometheus_client.parser import text_string_to_metric_families


async def scraped(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Ask for the metrics; return all samples by name and labels."""
    reply = await service.get("/metrics", token=None, admin=True)
    assert reply.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


async def read(service: Service, metric: str, **labels: str) -> float:
    """Ask for the metrics; return the sum of those of that name and, among others, those labels."""
    return sum(
        value
        for (name, found), value in (await scraped(service)).items()
        if name == f"badges_bff_{metric}" and found >= frozenset(labels.items())
    )
