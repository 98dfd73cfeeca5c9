"""ODF2NNA: compression without loss, refined networks against others, and methods ranked over data sets."""
