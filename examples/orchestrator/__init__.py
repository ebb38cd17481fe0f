"""An orchestrator of prompt pipelines and the wrappers it calls, watched by Fanlight."""
