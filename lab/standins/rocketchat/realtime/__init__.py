"""What is live: websockets, the protocol on them, who is told what."""
