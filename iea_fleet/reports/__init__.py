"""Matrix, plan and run as tables and documents. Pure functions and templates."""
