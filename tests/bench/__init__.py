"""What things cost, beside the same work done with captum, grad-cam and torchcam: `make bench`. Not tests."""
