"""Parts of the HTML report: templates, figures, pictures, and the data that its script draws."""
