"""The PyTorch engine: the default, on the CPU and on CUDA devices."""
