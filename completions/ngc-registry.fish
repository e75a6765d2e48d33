source (status dirname)/ngc.fish
