"""Tables that a user hands over, whatever program wrote them: one way to read them all."""
