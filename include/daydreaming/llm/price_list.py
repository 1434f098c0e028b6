"""Prices of models whose row leaves them empty: the list that the ``genai-prices`` package brings.

Nothing is downloaded: prices are as old as the installed release, whose number is in the source.
"""

from __future__ import annotations

from daydreaming.llm.price import ModelPrice

_TOKENS = 1_000


def listed_price(model_name: str, provider: str | None) -> ModelPrice | None:
    """Look up what a model costs; the first look-up of a process takes a third of a second.

    Args:
        model_name: As the provider knows it; for OpenRouter ``vendor/model``, with its variant
            (``:free``, ``:batch``) if any: a variant that is not listed has no known price.
        provider: Who serves it, such as ``openrouter``; None to tell from the name alone, which
            works for names that only one vendor gives.

    Returns:
        The price of today, for prompts of ordinary length: some models cost more beyond a
        threshold, for most of them 128,000 tokens or more. None where the list knows no such
        model, or not all that it charges. 0 only for a ``:free`` model that is listed as such.
    """
    from genai_prices import Usage, __version__, calc_price

    usage = Usage(input_tokens=_TOKENS, output_tokens=_TOKENS)
    try:
        found = calc_price(usage, model_name, provider_id=provider)
    except LookupError:
        return None
    source = f"genai-prices {__version__}, {found.provider.id}"
    stated = {name for name, value in vars(found.model_price).items() if value is not None}
    if not stated and found.model.id.endswith(":free"):
        return ModelPrice(0.0, 0.0, source)
    # Beside tokens, some charge for each request, which no price per token can say.
    only_tokens = found.total_price == found.input_price + found.output_price
    if not {"input_mtok", "output_mtok"} <= stated or not only_tokens:
        return None
    per_million = 1_000_000 // _TOKENS
    return ModelPrice(float(found.input_price * per_million), float(found.output_price * per_million), source)
