"""What csparc.torch and csparc.jax share: a call of an objective as arrays and one text."""
