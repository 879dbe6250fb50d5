"""Where rows are kept, and how they are read: files, folders of parts, tables; here and in object
stores. What is read is columns, as the model's schema names and types them."""
