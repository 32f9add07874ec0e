"""The paper, one file an idea: vit, landmarks (MobileFaceNet), prompts (MCP), temporal (TMA), s2d; zoo, weights, convert."""
