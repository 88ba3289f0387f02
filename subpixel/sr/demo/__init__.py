"""The page that enlarges an image in the browser, and the command that builds its folder."""
