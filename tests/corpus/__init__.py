"""Wrong arguments as models send them, and a mechanical repairer that reads only the errors."""
