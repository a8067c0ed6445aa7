"""Read what people have as tables: streams of Arrow record batches, in bounded memory.

::

    source ── formats ──┬─ delimited   CSV, TSV: every column as text
     file or            ├─ jsonlines
     blob or            ├─ columnar    Parquet, Arrow IPC, Feather, ORC
     tree               ├─ arrays      .npy, .npz
                        ├─ workbooks   Excel, OpenDocument
                        ├─ databases   SQLite, DuckDB
                        └─ folders     part files, hive partitions, Hugging Face
                                │
                       identify: table id, summary, sketch, row keys

`lin.tabular.reading.open_tables` is the way in. What is no table is refused with a `NotATableError` that says why,
and never a reason for a put to fail. `docs/tables.md` is for users, `docs/formats/table.md` the written formats.
"""
