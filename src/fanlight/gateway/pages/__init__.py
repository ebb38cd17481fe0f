"""The gateway's pages of the dashboard, made with what every application has: pages, panels, actions."""
