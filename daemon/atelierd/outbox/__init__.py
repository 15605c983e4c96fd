"""What people get: pictures, receipts, reasons and status, in one folder for each job."""
