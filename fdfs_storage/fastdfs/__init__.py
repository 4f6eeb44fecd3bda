"""The FastDFS client: no Django in it, usable on its own."""
