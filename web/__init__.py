"""What a person sees who opens this server in a browser."""
