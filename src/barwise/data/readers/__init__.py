"""From files to bars, a module a step: sources, encodings, layout, text or binary, roles, numbers, times, series, symbols."""
