"""What the contract says of a model, in words: for the documentation of calls and for `models.md`."""

from __future__ import annotations

from generator.views import Amount, CatalogEntry, ModelView, Views

ARTICLES = {"image": "an image", "video": "a video", "audio": "a sound", "text": "a text", "json": "JSON"}


def overload_text(views: Views, entry: CatalogEntry) -> str:
    """The documentation of a call with this model."""
    return parameters_text(views.models[entry.request], f"{what_it_makes(entry)}.")


def parameters_text(model: ModelView, facts: str = "") -> str:
    """The description of a request class, some facts, and the meaning of each parameter."""
    parameters = "\n".join(f"- {it.python_name}: {one_line(it.description)}" for it in model.in_order)
    return "\n\n".join(filter(None, (model.description.strip(), facts, parameters)))


def help_text(views: Views, entry: CatalogEntry) -> str:
    """A few lines on the parameters of a model, for `help()`."""
    lines = (
        f"    {it.python_name}{'' if it.default == '...' else f' = {it.default}'}: {it.allowed}"
        f"{', required' if it.required else ''}"
        for it in views.models[entry.request].in_order
    )
    return "\n".join((f"{entry.slug}: {what_it_makes(entry)}", *lines))


def what_it_makes(entry: CatalogEntry) -> str:
    price, latency = entry.price_usd, entry.typical_latency_seconds
    return (
        f"Makes {ARTICLES[entry.output]}, "
        + (f"for {price} US dollars ({price.source})" if price else "at a price that nobody says")
        + (f", usually in {latency} seconds ({latency.source})" if latency else "")
    )


def fact(amount: Amount) -> str:
    return f"{amount} ({amount.source})"


def one_line(text: str) -> str:
    return " ".join(text.split())
