"""Every tolerance of the suite, with its reason."""

# A gradient in float64 against a fourth-order central difference (step 1e-5): truncation ~ h^4,
# rounding ~ 1e-16 / h.
FINITE_DIFFERENCE = 2e-7

# The same formula computed twice in float64 in another order of operations.
FLOAT64 = 1e-10

# Algebra that holds exactly, in float64.
IDENTITY = 1e-12

# float32 against the float64 reference, relative to the largest entry of the tensor.
FLOAT32 = 2e-5

# The same for sums that nearly cancel: gradients of scales and biases.
FLOAT32_SCALAR = 1e-4
