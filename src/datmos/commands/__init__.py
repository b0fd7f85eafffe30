"""What a person types: `datmos check`, `apply`, `select`, `score`, `export`, `demo`, `ratings-from`."""
