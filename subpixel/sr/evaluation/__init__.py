"""PSNR and SSIM of models on benchmarks, with the protocol of the measurement."""
