"""The browser's way in: a page that descends on one's own table. No numerics are here; they come from the package below."""
