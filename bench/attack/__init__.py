"""What somebody who means harm would try, again and again, with a seed."""
