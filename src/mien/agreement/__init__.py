"""How far people who code films agree with each other, and with mien."""
