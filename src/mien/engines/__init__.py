"""Engines beside PyTorch that run a loaded model, the export that makes their files, the trial that chooses one."""
