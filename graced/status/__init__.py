"""What `graced status` tells: gathered from members and disk, and composed."""
