"""How well predictions agree with listeners, what shortcuts they take, and how well anyone could do."""
