"""E-mail to approvers: a link that only shows, when it is their turn, with a log of every mail."""
