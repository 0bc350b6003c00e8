"""From files to bars, a step a module: sources, encodings, layout, header, roles, table, numbers, series, naming."""
