"""A small but real chat service, watched by Fanlight: what `fanlight demo` runs."""
