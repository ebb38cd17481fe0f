"""A service that takes uploads and works through them, over Redis or in memory, watched by Fanlight."""
