"""A fuzzer for what strangers, models, providers and slips of the pen can put in (``make fuzz``)."""
