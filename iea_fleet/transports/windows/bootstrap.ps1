# placeholder, replaced with the real one
