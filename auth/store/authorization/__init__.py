"""What the authorization server stores: clients, sign-ins, codes, grants, signing keys; and who is admitted."""
