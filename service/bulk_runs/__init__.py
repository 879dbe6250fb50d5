"""``ifonly bulk``: a file or table of rows in, a file of answers out, complete or absent.

``reading`` makes record batches of rows of whatever they are kept in; ``ifonly.service.bulk``
answers them, in processes of their own (``workers``); ``work_folder`` keeps what is done, so that a
run that was killed goes on; ``publishing`` puts the whole in its place; ``records`` seals it.
"""
