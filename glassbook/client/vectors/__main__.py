from glassbook.client.vectors import FILE, text

FILE.parent.mkdir(exist_ok=True)
FILE.write_text(text())
