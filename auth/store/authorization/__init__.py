"""What the authorization server keeps: clients, sign-ins, codes, grants, signing keys; and who is admitted at sign-in."""
