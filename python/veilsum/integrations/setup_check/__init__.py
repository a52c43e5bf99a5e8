"""What is wrong with a party's or a server's set-up, before a run finds it: no framework's."""
