"""What a domain is: rules that give every train clip the label that an adversary must not find in h."""
