// Sets the chosen theme before anything is drawn; a page opened from a file may be denied storage.
try{var t=localStorage.getItem("lookalike-theme");if(t)document.documentElement.dataset.theme=t}catch(e){}
