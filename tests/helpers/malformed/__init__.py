"""Files that are wrong, some forty of each kind: name -> content. Each must end in a DataError."""
