"""What rated usage becomes: splits, invoices, statements, the close of a period, and adjustments after it."""
