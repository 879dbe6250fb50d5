"""What became of advice: shown, decided, carried out, and with which outcome."""
