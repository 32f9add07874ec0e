"""A server: videos in over HTTP, jobs that survive a crash, live frames over a web socket, and a page."""
