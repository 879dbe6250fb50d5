"""Korean, 합니다체."""
