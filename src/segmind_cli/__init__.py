"""The command line: `segmind run MODEL PROMPT` and its like. Needs the extra `cli`."""
