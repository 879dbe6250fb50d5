"""Pages of experiments on advice: the list, one of them, and the form that designs one."""
